"""One exercise: it checks what a learner wrote, gives hints, and shows a solution.

`Exercise` holds the answer and a `verify` function, which takes an attempt apart with `call` and `expect_close`; their
messages say what came back, what was expected, and what that usually means.
"""

import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tutorial_utils.exercises.guard import TIME_LIMIT, TimeUp, guarded, is_learners
from tutorial_utils.exercises.record import remember
from tutorial_utils.progress import in_notebook


@dataclass(eq=False)
class Exercise:
    """One task: its reference solution, the function that verifies an attempt, and hints from gentle to telling.

    Args:
        answer: a function or a class; a function without parameters stands for the value that it returns.
        verify: takes an attempt, calls it, and raises AssertionError with a message if it is not right.
        hints: one to three sentences.
        further: a sentence that goes further, said once the exercise is solved; most have none.
    """

    answer: Callable[..., Any]
    verify: Callable[[Any], None]
    hints: Sequence[str]
    further: str = ""
    from_memory: bool = field(default=False, init=False, repr=False)  # whether the next check is a repetition
    _hints_given: int = field(default=0, init=False, repr=False)

    @property
    def name(self) -> str:
        """The name of what the learner writes."""
        return self.answer.__name__

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
        code = inspect.getsource(self.answer).rstrip()
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
        print(result)

    def judge(self, attempt: Any) -> tuple[str, str | BaseException]:
        """Return the outcome, one of those in `record.OUTCOMES`, and what to say, or the learner's error to raise.

        >>> from tutorial_utils.exercises.compare import expect_close
        >>> def double(x):
        ...     return 2 * x
        >>> exercise = Exercise(double, verify=lambda attempt: expect_close(attempt(3), 6), hints=["Add `x` to `x`."])
        >>> for attempt in (..., lambda x: x + 2, double):
        ...     print(exercise.judge(attempt)[1])
        Not attempted yet.
        Not yet. Your result is 5, expected 6.
        Correct.
        """
        if attempt is ...:
            return "not attempted", "Not attempted yet."
        try:
            with guarded(TIME_LIMIT):
                self._expect_kind(attempt)
                self.verify(attempt)
        except TimeUp:
            return "timed out", (
                f"Not yet. Your code was stopped after {TIME_LIMIT} seconds; it should need less than one. Does a loop "
                "never end?"
            )
        except RecursionError:
            return "not yet", "Not yet. Your code calls itself without an end (RecursionError). Which call should stop?"
        except (Exception, SystemExit) as error:
            return self._explain(error)
        return "correct", f"Correct.\n{self.further}".rstrip()

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
        trace = self._find_learners_frames(error.__traceback__)
        if isinstance(error, NotImplementedError) and not error.args and trace:
            return "not attempted", "Not attempted yet."
        if isinstance(error, SystemExit):
            return "not yet", "Not yet. Your code ends the program (SystemExit); return a result instead."
        if isinstance(error, AssertionError):
            if not trace:
                return "not yet", f"Not yet. {error}"
            return "not yet", f"Not yet. An assert in your code failed: {_first_line(error) or 'it has no message'}."
        if trace:
            return "crashed", error.with_traceback(trace)
        reason = f"{type(error).__name__}: {_first_line(error)}"
        return "not yet", f"Not yet. What you wrote cannot be used as the exercise says: {reason}."

    def _find_learners_frames(self, trace: TracebackType | None) -> TracebackType | None:
        """Return the part of a traceback that begins with the learner's own code, or None if there is none in it."""
        while trace:
            code = trace.tb_frame.f_code
            if is_learners(code.co_filename) and code is not self.verify.__code__:
                return trace
            trace = trace.tb_next
        return None

    def hint(self) -> None:
        """Print the next hint; after the last one, begin again."""
        number = self._hints_given % len(self.hints)
        self._hints_given += 1
        print(f"Hint {number + 1} of {len(self.hints)}: {self.hints[number]}")

    def solution(self) -> None:
        """Show the code of a solution. Others may be as good."""
        if in_notebook():
            from IPython.display import Markdown, display

            display(Markdown(f"```python\n{self.source}\n```"))
        else:
            print(self.source)


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
