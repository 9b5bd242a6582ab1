"""Records what a service stores of the application: series, statements, tables and catalogue, for `almanac demo`."""
