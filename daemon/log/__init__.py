"""What a process of ours says while it runs: one JSON object per line on stderr, to the journal of systemd with fields
beside it, or plain text on a terminal.

The account of everything is the journal of the trader; these lines are for whoever watches a process. Whoever says
something never waits for whoever reads it: a thread writes, and what it cannot write in time is dropped and counted.
"""

from daemon.log.alerts import AlertLog as AlertLog
from daemon.log.orders import OrderLog as OrderLog
from daemon.log.process import Log as Log
from daemon.log.process import ProcessLog as ProcessLog
from daemon.log.process import open_log as open_log
from daemon.log.process import process_log as process_log
from daemon.log.process import tell_orders as tell_orders
