"""The drill: a made-up campaign whose workers, broker and database are killed, and every letter of which is counted.

It stands on services, workers and a mail server of its own in a folder that is thrown away; no installation is asked
for anything. `plan` says what will be done, `place` and `crew` run it, `runner` strikes, `counting` judges, `report`
tells.
"""
