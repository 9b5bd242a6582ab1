"""Starts and stops the servers that the application and the recorder need."""
