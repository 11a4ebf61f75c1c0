"""What one looks at before training: who is in the data, how it looks, what is in it twice, what seems wrong."""
