"""Starts a thread at import: no zygote can be forked."""

import threading
import time

threading.Thread(target=time.sleep, args=(1000,), daemon=True, name="importer").start()


def echo(value=None):
    return value
