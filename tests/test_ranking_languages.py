"""Words of languages without spaces find what was asked for; nothing else tells the memories apart."""

from __future__ import annotations

import pytest

from memory_budget_allocator import MemoryBudgetAllocator, MemoryItem, MemoryTier, Ranking, WorkspaceConfig

FACTS = {
    "Chinese": [
        ("项目的数据库运行在东京的服务器上。", "我们的数据库在哪里?"),
        ("用户对花生过敏,点餐时要注意。", "用户对什么过敏?"),
        ("每周三下午三点召开团队会议。", "团队会议是什么时候?"),
        ("新版本的发布推迟到十月。", "新版本什么时候发布?"),
        ("小王负责支付接口的开发。", "谁负责支付接口?"),
        ("办公室的无线网络密码已经更换。", "无线网络密码换了吗?"),
    ],
    "Japanese": [
        ("データベースは東京のサーバーで動いています。", "データベースはどこで動いていますか。"),
        ("田中さんはピーナッツにアレルギーがあります。", "アレルギーがあるのは誰ですか。"),
        ("定例会議は毎週水曜日の午後三時です。", "定例会議はいつですか。"),
        ("新しい版の公開は十月に延期されました。", "新しい版の公開はいつですか。"),
        ("支払い画面は鈴木さんが担当します。", "支払い画面の担当は誰ですか。"),
        ("無線の暗証番号は先週変わりました。", "無線の暗証番号は変わりましたか。"),
    ],
    "Korean": [
        ("데이터베이스는 도쿄 서버에서 돌아갑니다.", "데이터베이스가 어디에 있나요?"),
        ("사용자는 땅콩에 알레르기가 있습니다.", "땅콩을 먹어도 되나요?"),
        ("팀 회의는 매주 수요일 오후입니다.", "회의를 언제 하나요?"),
        ("새 버전의 출시는 시월로 미뤄졌습니다.", "출시가 언제인가요?"),
        ("결제 화면은 민수가 맡았습니다.", "결제를 누가 맡았나요?"),
        ("무선 비밀번호가 지난주에 바뀌었습니다.", "비밀번호를 바꿨나요?"),
    ],
    "Thai": [
        ("ฐานข้อมูลทำงานอยู่บนเซิร์ฟเวอร์ในโตเกียว", "ฐานข้อมูลอยู่ที่ไหน"),
        ("ผู้ใช้แพ้ถั่วลิสง", "ผู้ใช้แพ้อะไร"),
        ("ประชุมทีมทุกวันพุธตอนบ่าย", "ประชุมทีมเมื่อไร"),
        ("รุ่นใหม่เลื่อนไปเดือนตุลาคม", "รุ่นใหม่ออกเมื่อไร"),
        ("สมชายดูแลหน้าชำระเงิน", "ใครดูแลหน้าชำระเงิน"),
        ("รหัสผ่านเครือข่ายเปลี่ยนแล้ว", "รหัสผ่านเครือข่ายเปลี่ยนหรือยัง"),
    ],
}


@pytest.mark.parametrize("language", FACTS)
def test_the_fact_that_was_asked_for_comes_first(language: str) -> None:
    memories = [
        MemoryItem(str(row), fact, MemoryTier.RAG, None, token_count=20)
        for row, (fact, _) in enumerate(FACTS[language])
    ]
    # Room for one; without words the first one would be taken every time.
    config = WorkspaceConfig("default", max_total_tokens=80, complexity_multipliers={})
    allocator = MemoryBudgetAllocator(config)
    found = {"words": 0, "nothing": 0}
    for row, (_, question) in enumerate(FACTS[language]):
        for name, ranking in (
            ("words", Ranking(kind="evidence")),
            ("nothing", Ranking(kind="evidence", lexical_weight=0.0)),
        ):
            (taken,) = allocator.allocate(question, memories, ranking=ranking).selected_positions
            found[name] += taken == row
    assert found == {"words": len(memories), "nothing": 1}
