"""What is asked and answered, as pydantic models; one file per resource."""
