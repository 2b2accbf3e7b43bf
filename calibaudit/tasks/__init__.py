"""What is asked: task files, their documents, and the items made of them."""
