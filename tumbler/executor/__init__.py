"""map(function, shards): the one place where work is spread, over processes of this machine or over Ray tasks.

The function and its items must pickle (a module-level function, or a `functools.partial` of one), and an item
may be done twice: a function that writes a file does it by `artifact.replacing`.
"""

from tumbler.executor.calls import suspected
from tumbler.executor.executor import Executor, ExecutorSettings
from tumbler.executor.faults import disk_full
from tumbler.executor.processes import available_cores

__all__ = ["Executor", "ExecutorSettings", "available_cores", "disk_full", "suspected"]
