"""Tests: test_*.py need no server and no package; with_servers.py runs the application."""
