"""The example application: a service with faults that can be switched on. See docs/example-application.md."""
