"""Run a survey on a SLURM cluster, or, to try it, on processes of this machine.

    python cluster.py survey.zarr --model mymodel --out survey --jobs 100
    python cluster.py survey.zarr --model mymodel --out survey --local 2

All machines must see the folders. Killed or cancelled, the same command goes on where it was.
"""

import argparse

import bayescannon as bc


def main() -> None:
    """Start a cluster, and let it work on the blocks of a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spectra")
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--jobs", type=int, default=10, help="SLURM jobs, of one core each")
    parser.add_argument("--local", type=int, help="so many processes here, and no SLURM")
    options = parser.parse_args()
    if options.local:
        from dask.distributed import LocalCluster

        # one thread a worker: JAX's own would fight over the core
        settings = {"n_workers": options.local, "threads_per_worker": 1}
        cluster = LocalCluster(**settings, dashboard_address=None)
    else:
        from dask_jobqueue import SLURMCluster

        cluster = SLURMCluster(cores=1, processes=1, memory="4GB", walltime="02:00:00")
        cluster.scale(jobs=options.jobs)
    with cluster:
        table = bc.run_catalog(
            bc.model.load(options.model),
            bc.Spectra.open(options.spectra),
            options.out,
            method="importance",
            scheduler=cluster.scheduler_address,
        )
    bc.write_catalog(table, f"{options.out}/catalog.fits", overwrite=True)
    print(bc.flags.Tally.of(table["flags"]))


if __name__ == "__main__":
    main()
