"""What several studies share: the arms of an undersampling study, what is read from its encoders, outcomes of heads.

And the parts of the study of disentanglement: ``lab``, ``exact``, ``longer``.  Plans are made with ``arms``,
``captioned``, ``further``, ``heads``, ``published`` and ``words``, which import no torch.
"""
