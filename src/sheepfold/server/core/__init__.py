"""What any server needs and no farm word: storage, jobs, events, group commit, errors, clock."""
