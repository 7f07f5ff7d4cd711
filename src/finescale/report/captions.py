"""What each figure and table shows, and what it would show if the paper's findings held."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Caption:
    """A title, what is drawn, and what to look for."""

    title: str
    shows: str
    expected: str
    compared: str = "If the paper holds"  # what comes before `expected`


LAW = (
    "Circles are the runs the law was fitted to, triangles those held out; bands are 95% intervals."
    " Δe and Δh are the mean absolute deviations on both, in nats per target token."
)
JOINT_EXPECTED = (
    "The lines of one colour run through circles and triangles alike, so that Δh is as small as Δe"
)
SCORED = "Every run is a point, all seeds are visible; lines join their means."
LATER = (
    "Log-perplexity, in nats per target token, on the test sets that were added after training"
    " (`later_test` of a task)"
)
FEW_SHOT_EXPECTED = (
    "PET models stay at or above the dashed baseline whatever data they were tuned on, FMT models"
    " fall below it"
)

CAPTIONS = {
    "figure1": Caption(
        "Single-variable laws over finetuning data",
        "Test log-perplexity over the number of finetuning examples, a panel per method, a line per"
        f" model size, for the study's first task. {LAW}",
        "Every size follows a power law that levels off, and foretells the held-out data size; the"
        " lines of different sizes bend alike, which asks for one joint law.",
    ),
    "figure2": Caption(
        "Joint law of model size and finetuning data",
        f"The multiplicative law over model size, a panel per task and method. {LAW}",
        f"{JOINT_EXPECTED}; α of model size is clearly above 0 for every method and β is larger for"
        " FMT than for prompt tuning and LoRA.",
    ),
    "figure3": Caption(
        "Joint law of pretraining data and finetuning data",
        "The multiplicative law over the tokens seen in pretraining, a panel per task and method."
        f" {LAW}",
        f"{JOINT_EXPECTED}; α of pretraining data is above 0, and smaller than that of model size"
        " in Figure 2.",
    ),
    "figure4": Caption(
        "Joint law of PET size and finetuning data",
        "The multiplicative law over the length of the prompt or the rank of LoRA, with β and E"
        f" from the other factors. {LAW}",
        "The lines of different PET sizes lie on top of each other: α is near 0 (|α| ≪ 0.01 in the"
        " paper), now and then below it.",
    ),
    "figure5": Caption(
        "Critical finetuning size of two methods",
        "The number of finetuning examples above which the other method is better, over model size"
        " and over pretraining data, with 95% intervals. Dotted: the range of data that was"
        " measured; dashed: beyond it.",
        "The sizes differ between tasks by orders of magnitude: what holds for one task says little"
        " about another.",
    ),
    "figure6": Caption(
        "Zero-shot translation after finetuning",
        "Score of finetuned models on language pairs they were not tuned on, averaged over source"
        f" languages, over model size and finetuning data. {SCORED}",
        "Prompt tuning and LoRA score above FMT, the more so the larger the model and the more"
        " finetuning data.",
    ),
    "figure7": Caption(
        "Generation quality over model size",
        f"Score of greedy outputs on the test sets over model size and finetuning data. {SCORED}",
        "The score grows with model size and data wherever log-perplexity falls in Figure 2.",
    ),
    "figure8": Caption(
        "Generation quality over pretraining data",
        f"Score of greedy outputs on the test sets over tokens seen in pretraining. {SCORED}",
        "The score grows with pretraining, less than with model size in Figure 7.",
    ),
    "figure9": Caption(
        "Generation quality over PET size",
        f"Score of greedy outputs on the test sets over prompt length and LoRA rank. {SCORED}",
        "The lines are flat: a longer prompt or a higher rank hardly changes the score.",
    ),
    "figure10": Caption(
        "Pretraining laws",
        "Held-out log-perplexity of the base models over model size and over tokens seen, a row per"
        " family, with the law fitted to each.",
        "Both follow a power law; the paper saw its largest En-Zh model above the line.",
    ),
    "figure11": Caption(
        "One-shot quality over model size",
        "Score with one demonstration in the prompt, over model size and finetuning data; dashed:"
        f" the model before finetuning. {SCORED}",
        f"{FEW_SHOT_EXPECTED}.",
    ),
    "figure12": Caption(
        "Five-shot quality over model size",
        "Score with five demonstrations in the prompt, over model size and finetuning data; dashed:"
        f" the model before finetuning. {SCORED}",
        f"{FEW_SHOT_EXPECTED}.",
    ),
    "figure13": Caption(
        "One-shot quality over pretraining data",
        "Score with one demonstration, over tokens seen in pretraining; dashed: the model before"
        f" finetuning. {SCORED}",
        f"{FEW_SHOT_EXPECTED}, at every amount of pretraining.",
    ),
    "figure14": Caption(
        "Five-shot quality over pretraining data",
        "Score with five demonstrations, over tokens seen in pretraining; dashed: the model before"
        f" finetuning. {SCORED}",
        f"{FEW_SHOT_EXPECTED}, at every amount of pretraining.",
    ),
    "loss-model-size": Caption(
        "Later test sets over model size",
        f"{LATER}, over model size and finetuning data. {SCORED}",
        "The lines fall with model size and data as those on the test sets do in Figure 2.",
    ),
    "loss-pretraining-size": Caption(
        "Later test sets over pretraining data",
        f"{LATER}, over tokens seen in pretraining and finetuning data. {SCORED}",
        "The lines fall with pretraining as those on the test sets do in Figure 3.",
    ),
    "loss-pet-size": Caption(
        "Later test sets over PET size",
        f"{LATER}, over prompt length and LoRA rank. {SCORED}",
        "The lines of different PET sizes lie on top of each other, as in Figure 4.",
    ),
    "search": Caption(
        "Search of learning rates and batches",
        "Dev log-perplexity of each method by learning rate and batch, on the search's base model.",
        "The best learning rates are 0.001 for FMT, 0.01 for LoRA and 0.3 for prompt tuning.",
    ),
    "table1": Caption(
        "Setup",
        "The tasks, and the values of every factor; values held out are left out of the fits.",
        "WMT14 En-De, WMT19 En-Zh and MLSum, base models of 1B to 16B parameters, prompt lengths"
        " of 50 to 600 and ranks of 4 to 128.",
        "In the paper",
    ),
    "table2": Caption(
        "Held-out error of both joint laws, first task",
        "Mean absolute deviation of the multiplicative and of the additive law on held-out runs,"
        " in nats per target token, and what the noise between seeds alone would give. The last"
        " column says whether the two forms differ by less than that noise.",
        "The multiplicative law has the smaller error on average for every factor.",
    ),
    "table3": Caption(
        "Model sizes",
        "The decoder's shape at each size.",
        "Five sizes from 1B to 16B.",
        "In the paper",
    ),
    "table4": Caption(
        "Parameters of the multiplicative law",
        "A, α, β and E by factor, task and method, with 95% intervals of each scheme of resampling;"
        " “Shown” marks the one in the figures.",
        "α of model size is above α of pretraining data, α of PET size is near 0, and β of FMT is"
        " above that of LoRA and prompt tuning.",
    ),
    "table5": Caption(
        "Critical sizes at the base model",
        "Where the laws of two methods meet, and the paper's power law H·Xᵞ for it.",
        "H and γ differ widely between tasks, γ even in sign.",
    ),
    "table6": Caption(
        "Held-out error of both joint laws, all tasks",
        "As Table 2, for every task.",
        "The multiplicative law has the smaller error on average.",
    ),
    "table7": Caption(
        "Correlation of log-perplexity and score",
        "Pearson's r of test log-perplexity with the score of greedy outputs, by task, factor and"
        " method.",
        "r is near −1, significant at p < 0.01 nearly everywhere.",
    ),
}


def caption(name: str) -> Caption:
    """The caption of a drawing; its name alone for one that the paper does not have."""
    return CAPTIONS.get(name, Caption(name, "", ""))
