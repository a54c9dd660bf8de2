"""Jobs: what every active city has done for it again and again (定时任务).

A slice names its jobs in its manifest (`Module.jobs`); whoever runs the platform runs them all, `running` in each
serving process and worker. A job is one transaction of the city's own system principal, like any other unit of work,
and may be run by several processes at once: rows that one is at are skipped by the others, and a job with a rhythm of
a minute or more is claimed, so that one process does it per round.
"""
