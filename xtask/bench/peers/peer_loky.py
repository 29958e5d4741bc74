"""loky's executor, as joblib uses it."""

import common
from loky import ProcessPoolExecutor

if __name__ == "__main__":
    mode, seconds, _ = common.arguments()
    common.measure(ProcessPoolExecutor, mode, seconds)
