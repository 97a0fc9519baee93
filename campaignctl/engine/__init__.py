"""The engine lets time pass: take what is due, carry it out, record what came of it."""
