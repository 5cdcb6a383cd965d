"""The hosted page on which payers begin. It is public: whoever has its address may pay."""
