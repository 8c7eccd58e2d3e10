"""The execution database: key-value stores, key layout, recovery; the only user of plyvel."""
