"""The store: tables, statements by subject, migrations."""
