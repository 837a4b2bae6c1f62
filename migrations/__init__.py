"""The history of the database schema, by Alembic. Revisions hold SQL as it was when they were released: they never
import today's tables. `quantd db upgrade` runs them.
"""
