"""Say what time it is on this host."""

import json
import sys
import time

sys.stdout.write(json.dumps({"unix": time.time()}) + "\n")
