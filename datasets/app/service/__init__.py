"""The application itself: the API and its worker."""
