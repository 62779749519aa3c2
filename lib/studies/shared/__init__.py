"""What several studies share: the arms of an undersampling study, what is read from its encoders, outcomes of heads."""
