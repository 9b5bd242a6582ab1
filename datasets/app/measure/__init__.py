"""`scripts/app.sh measure`: every fault alone, all and none on one database. See docs/example-application.md."""
