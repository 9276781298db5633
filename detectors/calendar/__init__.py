"""What is known beforehand: opening hours, holidays, promotions, maintenance; and what they do to a series."""

from detectors.calendar.business import BusinessCalendar, Circumstances
from detectors.calendar.hours import Hours
from detectors.calendar.ics import occasions_in
from detectors.calendar.lifts import Lifts
from detectors.calendar.occasions import Occasion, occasion_of

__all__ = ["BusinessCalendar", "Circumstances", "Hours", "Lifts", "Occasion", "occasion_of", "occasions_in"]
