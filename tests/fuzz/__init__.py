"""The project's fuzzer: hostile bytes for everything of flowcli that reads files of strangers.

    cd tests && python -m fuzz --inputs 20000 --seed 1

Read in this order: `target` (what is fuzzed is a row: how to make good files, how to read one), `targets/` (the rows),
`mutations`, `structures` and `checksums` (from a good file to a hostile one), `inputs` (input k of a target is a
function of the seed and k), `worker` (one process reads many inputs and judges each; the kernel ends it when an input
takes too long), `campaign` (keeps the workers going), `report` (the table, and a file for each failing input).

Linux only: limits of processes and /proc are its means. The seeds are made when it runs; nothing is stored.
"""
