"""The work of the programs: training, evaluation, pictures, the folder of a run."""
