"""Reading people from CSV files of any tool: pure, streaming, and sure of every byte and line."""
