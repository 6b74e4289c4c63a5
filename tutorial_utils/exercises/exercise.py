"""One exercise: it checks what a learner wrote, gives hints, and shows a solution.

`@exercise(...)` over an answer makes one. What an attempt is tried on, and the mistakes that are known, are said in the
terms of `Problem`.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from tutorial_utils.exercises.cases import Observe, Problem, Rule, expect_as_answer, returned, silent
from tutorial_utils.exercises.guard import TIME_LIMIT, WALL_LIMIT, TimeUp, guarded, is_learners, is_of_exercises
from tutorial_utils.exercises.record import explain_closed, remember
from tutorial_utils.progress import in_notebook

WIDTH = 96  # characters in a line of a reply: JupyterLab breaks longer ones within words


class Exercise(Problem):
    """One task for a learner: a problem, and hints from gentle to telling.

    Args:
        answer: a function or a class; a function without parameters stands for the value that it returns.
        hints: one to three sentences.
        observe: runs an attempt on the inputs of a case, and returns what there is to compare, by name.
        rules: what an attempt has to keep to beside its results, each from `rules`; they run once those are right.
        further: a sentence that goes further, said once the exercise is solved; most have none.
    """

    def __init__(
        self,
        answer: Callable[..., Any],
        *,
        hints: Sequence[str],
        observe: Observe = returned,
        rules: Sequence[Rule] = (),
        further: str = "",
    ) -> None:
        super().__init__(answer, observe)
        self.hints, self.rules, self.further = hints, rules, further
        self.from_memory = False  # whether the next check is a repetition
        self._hints_given = 0

    @property
    def key(self) -> str:
        """The name under which the outcome is remembered, such as `01_tensors.standardize`."""
        return f"{self.answer.__module__.rpartition('.ex')[2]}.{self.name}"

    @property
    def title(self) -> str:
        """The name with the number of its notebook, such as `01 · standardize`."""
        return f"{self.key[:2]} · {self.name}"

    @property
    def asks_for_a_value(self) -> bool:
        """Whether the learner writes a value, and neither a function nor a class."""
        return not inspect.isclass(self.answer) and not inspect.signature(self.answer).parameters

    @property
    def source(self) -> str:
        """The code of the solution, as it would stand in the notebook."""
        code = textwrap.dedent(inspect.getsource(self.answer)).rstrip()
        code = "\n".join(code.splitlines()[ast.parse(code).body[0].lineno - 1 :])  # without its decorator
        if not self.asks_for_a_value:
            return code
        lines, result = textwrap.dedent(code.partition("\n")[2]).split("return ")
        return f"{lines}{self.name} = {result}"

    def check(self, attempt: Any) -> None:
        """Print whether `attempt`, the object that you wrote, is right, and if not, what the mistake may be.

        It says "Not attempted yet.", "Not yet." and why, or "Correct.". An error in your own code is raised as it is.
        What the attempt does to random numbers and other settings of PyTorch is undone. It has ten seconds.
        """
        __tracebackhide__ = True  # an error of the learner's shows the learner's lines
        outcome, result = self.judge(attempt)
        remember(self.key, outcome, self.from_memory)
        if outcome != "not attempted":
            self.from_memory = False
        if isinstance(result, BaseException):
            raise result
        print("\n".join(textwrap.fill(line, WIDTH, break_long_words=False) for line in result.splitlines()))

    def hint(self) -> None:
        """Print the next hint; after the last one, begin again. A class may do without: see `explain_closed`."""
        if reason := explain_closed("TUTORIAL_HINTS", self.key):
            print(reason)
            return
        number = self._hints_given % len(self.hints)
        self._hints_given += 1
        print(f"Hint {number + 1} of {len(self.hints)}: {self.hints[number]}")

    def solution(self) -> None:
        """Show the code of a solution. Others may be as good. A class may do without: see `explain_closed`."""
        if reason := explain_closed("TUTORIAL_SOLUTIONS", self.key):
            print(reason)
            return
        if in_notebook():
            from IPython.display import Markdown, display

            display(Markdown(f"```python\n{self.source}\n```"))
        else:
            print(self.source)

    def judge(self, attempt: Any) -> tuple[str, str | BaseException]:
        """Return the outcome, one of those in `record.OUTCOMES`, and what to say, or the learner's error to raise.

        >>> def double(x):
        ...     return 2 * x
        >>> exercise = Exercise(double, hints=["Add `x` to `x`."])
        >>> exercise.example(3, gives=6)
        >>> exercise.mistakes({"you squared it": lambda x: x**2})
        >>> for attempt in (..., lambda x: x + 2, lambda x: x * x, double):
        ...     print(exercise.judge(attempt)[1])
        Not attempted yet.
        Not yet. For `x` = 3, your result is 5, expected 6.
        Not yet. For `x` = 3, your result is 9, expected 6: you squared it.
        Correct.
        """
        if attempt is ...:
            return "not attempted", "Not attempted yet."
        try:
            with guarded(TIME_LIMIT, WALL_LIMIT):
                self._expect_kind(attempt)
                self.verify(attempt)
        except TimeUp as reached:
            return "timed out", (
                f"Not yet. Your code was stopped after {reached}; it should need less than a second. Does it ever end?"
            )
        except RecursionError:
            return "not yet", "Not yet. Your code calls itself without an end (RecursionError). Which call should stop?"
        except (Exception, SystemExit) as error:
            return self._explain(error)
        return "correct", f"Correct.\n{self.further}".rstrip()

    def verify(self, attempt: Any) -> None:
        """Try an attempt on all cases, beside the answer, and then by the rules.

        Raises:
            AssertionError: it is not right; the message says how, and what it means if that is known.
            Exception: what the attempt itself raised, with a note of what it was called with.
        """
        run = (lambda: attempt) if self.asks_for_a_value else attempt
        expect_as_answer(run, self)
        with silent():
            for rule in self.rules:
                rule(run, self)

    def _expect_kind(self, attempt: Any) -> None:
        """Raise AssertionError unless `attempt` can be called as the answer can."""
        if self.asks_for_a_value:
            assert attempt is not None, f"check got None, expected a value: what should `{self.name}` be?"
            return
        found = f"an object of type {type(attempt).__name__}"
        if inspect.isclass(self.answer):
            assert inspect.isclass(attempt), (
                f"check got {found}, expected the class {self.name}: pass the class itself, without parentheses."
            )
        else:
            assert callable(attempt), (
                f"check got {found}, expected a function: pass the function itself, `{self.name}`, and not its result."
            )
            assert not inspect.isclass(attempt), f"check got the class {attempt.__name__}, expected a function."
        expected, own = inspect.signature(self.answer), _find_signature(attempt)
        names = [p.name for p in expected.parameters.values() if p.default is p.empty]
        try:
            own.bind(*names)
        except TypeError:
            raise AssertionError(
                f"`{self.name}` is called with {_count(len(names), 'argument')}, ({', '.join(names)}); yours has the "
                f"parameters {own}. Keep the first line as it was given."
            ) from None

    def _explain(self, error: Exception | SystemExit) -> tuple[str, str | BaseException]:
        """Return the outcome and what to say of `error`, or the error itself where it is the learner's own."""
        trace, inner = self._find_learners_frames(error.__traceback__)
        if isinstance(error, NotImplementedError) and not error.args and trace:
            return "not attempted", "Not attempted yet."
        if isinstance(error, SystemExit):
            return "not yet", "Not yet. Your code ends the program (SystemExit); return a result instead."
        if isinstance(error, AssertionError) and (inner or not trace):
            return "not yet", f"Not yet. {error}"
        if isinstance(error, AssertionError):
            return "not yet", f"Not yet. An assert in your code failed: {_first_line(error) or 'it has no message'}."
        notes = join_notes(error)
        reason = f"{type(error).__name__}: {_first_line(error)}"
        if trace and inner:
            return "not yet", (
                f"Not yet. What your code passes on, in `{_last_line(trace)}`, cannot be used there: {reason}.{notes}"
            )
        if trace:
            return "crashed", error.with_traceback(trace)
        return "not yet", f"Not yet. What you wrote cannot be used as the exercise says: {reason}.{notes}"

    def _find_learners_frames(self, trace: TracebackType | None) -> tuple[TracebackType | None, bool]:
        """Return the part of a traceback from the learner's own code on, or None, and whether it ends in code of ours.

        Code of ours below the learner's is what a check passed in, such as a model or a loss function.
        """
        begin, inner = None, False
        observing = getattr(self.observe, "__code__", None)  # which may be the code of a teacher's own exercise
        while trace:
            filename = trace.tb_frame.f_code.co_filename
            if is_learners(filename) and trace.tb_frame.f_code is not observing:
                begin, inner = begin or trace, False
            elif is_of_exercises(filename) and trace.tb_frame.f_code.co_name not in PASSING_ON:
                inner = True
            trace = trace.tb_next
        return begin, inner


PASSING_ON = ("__torch_function__",)  # functions of ours between the learner's call and PyTorch


def exercise(**settings: Any) -> Callable[[Callable[..., Any]], Exercise]:
    """Make, as a decorator, an exercise of its answer; the settings are those of `Exercise`."""
    return lambda answer: Exercise(answer, **settings)


def join_notes(error: BaseException) -> str:
    """Return the notes of an error as sentences that follow another one, or nothing."""
    return "".join(f" {note}{'' if note.endswith(('.', '?')) else '.'}" for note in getattr(error, "__notes__", []))


def _last_line(trace: TracebackType) -> str:
    """Return the last line of the learner's own in a traceback."""
    frames = [frame for frame in inspect.getinnerframes(trace) if is_learners(frame.filename)]
    return "".join(frames[-1].code_context or ["?"]).strip()


def _find_signature(attempt: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of `attempt`, or one that takes everything where Python does not know it."""
    try:
        return inspect.signature(attempt)
    except (TypeError, ValueError):  # a function written in C
        return inspect.signature(lambda *args, **kwargs: None)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
