-- Lists of checks by state are read in the order of this index.
DROP INDEX check_state_state;
CREATE INDEX check_state_state ON check_state (state, check_id);
