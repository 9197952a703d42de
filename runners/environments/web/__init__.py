"""Any page of the web, in a browser that reaches the allowed hosts alone."""
