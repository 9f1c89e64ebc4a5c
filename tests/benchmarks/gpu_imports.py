"""What every side imports, once, in the process that all of them are forked from.

Nothing here may touch the GPU: CUDA cannot be forked. liger-kernel asks which GPU it is for, and so is not here.
"""

import accelerate  # noqa: F401
import datasets  # noqa: F401
import peft  # noqa: F401
import sklearn.metrics  # noqa: F401
import torch  # noqa: F401
import transformers
from transformers.models.bert import modeling_bert  # noqa: F401
from transformers.models.gpt2 import modeling_gpt2  # noqa: F401
from transformers.models.qwen2 import modeling_qwen2  # noqa: F401
from transformers.models.t5 import modeling_t5  # noqa: F401

import workbench.train.__main__
import workbench.train.session  # noqa: F401

for name in ("Trainer", "AutoTokenizer", "AutoModelForSeq2SeqLM", "DataCollatorForSeq2Seq", "PreTrainedTokenizerFast"):
    getattr(transformers, name)
