"""One machine's installation: its data folder, its embedded services and the supervisor that runs them."""
