"""PostgreSQL: tables, migrations, the unit of work and set-based repositories. No rules of money live here."""
