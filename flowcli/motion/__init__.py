"""Motion statistics: what the flow of a pair says in numbers. COLUMNS is the table of them."""
