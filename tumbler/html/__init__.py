"""Views as one HTML page that opens offline: no script, no request, every text escaped by the template engine."""
