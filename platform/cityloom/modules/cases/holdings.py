"""What cases hold of the residents who report them."""

from __future__ import annotations

from cityloom.core.subjects import Fate, Holding
from cityloom.core.text import Text

HOLDINGS = (
    Holding(
        table="case_reports",
        column="reporter_id",
        by_account=True,
        fate=Fate.CLEAR,
        title=Text("诉求", "Reports"),
        reason=Text(
            "事件办理档案依法留存;联系电话已清除。",
            "The files of cases are kept by law; the number to call back is erased.",
        ),
        cleared={"phone": None, "phone_masked": None},
    ),
)
