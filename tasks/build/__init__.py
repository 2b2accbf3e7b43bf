"""The scripts that make the bundled tasks, a folder a task; __main__.py says how to run them."""
