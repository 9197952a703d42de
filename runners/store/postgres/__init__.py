"""A log in a PostgreSQL database. The only room that knows psycopg."""
