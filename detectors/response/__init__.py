"""What is made of all that comes in about a business: incidents, what people say of them, and what is to be told."""
