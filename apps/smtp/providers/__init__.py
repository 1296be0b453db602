"""Provider accounts: who is offered, how a letter is put to their API, and what their answers mean."""
