"""`make show-database`: recommend, verify, apply and measure on the example application. See docs/advisors/database.md."""
