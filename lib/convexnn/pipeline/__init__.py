"""Run the notebooks, know when a result is current, and turn result files into ledger, page and references.

    project     where things lie, and the errors a user can mend
    notebooks   discovery, the `parameters` cell, conversion to ipynb
    slots       one result folder: lock, swap, recovery after a kill
    provenance  commit, machine, versions
    keys        what a result depends on, and `why` it would be made again
    planning    what is to be run, validated
    execute     inside one process: papermill and one kernel
    places      where that process runs: here
    cluster     or on a Dask cluster
    runner      many such processes, progress, failures
    sealing     the key, the marker, the swap
    declared    the claims of all theorems, asked in a process of its own
    ledger      claims declared against claims measured
    index       one page for eyes
    grid        many values of the parameters, as they are typed
    sweep       one notebook at every point of a grid
    summary     tables and figure of a sweep
    differences two sets of results, claim by claim
    site        notebooks, ledger and library as a book that opens from disk
    paper       theorems, figures, ledger and benchmarks as a PDF; with paper_values, paper_tables and latex
    references  what is committed, and the comparison with it
    clean       removing results

Torch, papermill, jupytext and the theorems are imported inside functions: asking whether anything changed is cheap.
"""
