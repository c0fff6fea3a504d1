"""Stage 2: the prompts' pool. Usage: python -m soranji_training.train_prompts --minutes 10"""

from __future__ import annotations

import time

from . import prompts
from . import stage as stages


def main():
    parser = stages.arguments(__doc__)
    args = parser.parse_args()
    st = stages.Stage("prompts", args)
    start = time.time()
    sizes = {}
    for split, count in (("test", 500), ("train", st.config.flow.caption_pool)):
        sizes[split] = len(prompts.build(st.config, st.folder, split, count, 21, st.goes_on))
    st.log(seconds=round(time.time() - start), **sizes)


if __name__ == "__main__":
    main()
