"""The ring-0 text. Generated from entry.S by tools/entry.py; do not edit."""

from __future__ import annotations

from ring3.abi.hints import Final

TEXT_HEX: Final = (
    "909090909090909090909090900f01f865488924250800000065488b2425000000006a2b65ff3425080000004153"
    "6a335150575652516ada415041514152415353554154415541564157fcfbe610fa84c00f8556010000415f415e41"
    "5d415c5d5b4883c408415a41594158584883c4085a5e5f488b4c24084c8b5c2418490fbaf311488b6424200f01f8"
    "480f070f01f865488b24250000000089c089ed6a2b559c48810c24000200006a029d6a236a0050575652516ada41"
    "5041514152415353554154415541564157fcfbe611fa84c00f85d7000000415f415e415d415c5d5b415b415a4159"
    "415858595a5e5f488b542408488b4c24204883c41848812424fffdffff9d0f01f8fb0f350f01ca0f01f889c05057"
    "5652516ada415041514152415353554154415541564157fcfbe612faeb7b9c6a029d0f01f850488b442408488744"
    "241848874424104889442408488b0424575652516ada415041514152415353554154415541564157fcfbe613fa84"
    "c0753a415f415e415d415c5d5b415b415a4159415858595a5e5f48890424488b4424184887442408488744241048"
    "89442418580f01f89d48cbe61beb00fa415f415e415d415c5d5b415b415a4159415858595a5e5ff6442410037403"
    "0f01f84883c40848cf6a005756be00000000e9e2010000f644240803750b4881642410fffeffff48cf6a005756be"
    "01000000e9c20100006a005756be02000000e9b40100006a005756be03000000e9a60100006a005756be04000000"
    "e9980100006a005756be05000000e98a0100006a005756be06000000e97c0100006a005756be07000000e96e0100"
    "005756be08000000e9620100006a005756be09000000e9540100005756be0a000000e9480100005756be0b000000"
    "e93c0100005756be0c000000e9300100005756be0d000000e9240100005756be0e000000e9180100006a005756be"
    "0f000000e90a0100006a005756be10000000e9fc0000005756be11000000e9f00000006a005756be12000000e9e2"
    "0000006a005756be13000000e9d40000006a005756be14000000e9c60000005756be15000000e9ba0000006a0057"
    "56be16000000e9ac0000006a005756be17000000e99e0000006a005756be18000000e9900000006a005756be1900"
    "0000e9820000006a005756be1a000000eb776a005756be1b000000eb6c6a005756be1c000000eb615756be1d0000"
    "00eb585756be1e000000eb4f6a005756be1f000000eb440f01f850488b7c2438488b442418488947f8488b442410"
    "488947f0488b442408488947e858488d67e8525150415041514152415353554154415541564157fc0f01caeb4b48"
    "817c2418d301008174b1525150415041514152415353554154415541564157fc0f01caf68424880000000374030f"
    "01f883fe0e75150f20d2f6842491000000027408fbe618e99dfdffffe618eb00e994fdffff6aff5756be20000000"
    "e9ae0000006aff5756be21000000e9a00000006aff5756be22000000e9920000006aff5756be23000000e9840000"
    "006aff5756be24000000eb796aff5756be25000000eb6e6aff5756be26000000eb636aff5756be27000000eb586a"
    "ff5756be28000000eb4d6aff5756be29000000eb426aff5756be2a000000eb376aff5756be2b000000eb2c6aff57"
    "56be2c000000eb216aff5756be2d000000eb166aff5756be2e000000eb0b6aff5756be2f000000eb005251504150"
    "41514152415353554154415541564157fc0f01caf68424880000000374030f01f8e619eb00e9a9fcffff49b800f0"
    "ffffff7f00004c39c60f87750100004929f04c39c20f876901000066662e0f1f84000000000066904889d10f01cb"
    "4883f94072540f1f4000488b064c8b46084c8b4e104c8b56184889074c8947084c894f104c895718488b46204c8b"
    "46284c8b4e304c8b5638488947204c8947284c894f304c8957384883c6404883c7404883e9404883f94073b04883"
    "f9087218488b064889074883c6084883c7084883e9084883f90873e84885c9740f8a06880748ffc648ffc748ffc9"
    "75f10f01ca4889c8e61aeb0049b800f0ffffff7f00004c39c70f87ad0000004929f84c39c20f87a10000000f1f44"
    "00004889d10f01cb4883f94072540f1f4000488b064c8b46084c8b4e104c8b56184889074c8947084c894f104c89"
    "5718488b46204c8b46284c8b4e304c8b5638488947204c8947284c894f304c8957384883c6404883c7404883e940"
    "4883f94073b04883f9087218488b064889074883c6084883c7084883e9084883f90873e84885c9740f8a06880748"
    "ffc648ffc748ffc975f10f01ca4889c8e61aeb004889d0e61aeb0049b800f0ffffff7f00004c39c777ea4929f84c"
    "39c277e24889d131c00f01cb4883f908720d4889074883c7084883e908ebed4885c9740a880748ffc748ffc975f6"
    "0f01ca4889c8e61aeb0049b800f0ffffff7f00004531db49ffcb4c39c60f83890000004929f04c39c2760a4c89c2"
    "49c7c3f2ffffff4889f949b9010101010101010149ba80808080808080800f01cb4883fa087228488b064989c04d"
    "29c848f7d04921c048f7d04d85d075114889074883c6084883c7084883ea08ebd24885d274138a06880784c07415"
    "48ffc648ffc748ffca75ed0f01ca4c89d8e61aeb000f01ca4889f84829c8e61aeb000f01ca48c7c0f2ffffffe61a"
    "eb00b90400000049b800f0ffffff7f00004c39c70f87670200004929f84c39c10f875b0200004889f00f01cb8b07"
    "4889c20f01ca31c0e61aeb00b90800000049b800f0ffffff7f00004c39c70f872f0200004929f84c39c10f872302"
    "00004889f00f01cb488b074889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c70f87f60100"
    "004929f84c39c10f87ea0100004889f00f01cb89374889c20f01ca31c0e61aeb00b90800000049b800f0ffffff7f"
    "00004c39c70f87be0100004929f84c39c10f87b20100004889f00f01cb4889374889c20f01ca31c0e61aeb00b904"
    "00000049b800f0ffffff7f00004c39c70f87850100004929f84c39c10f87790100004889f00f01cbf00fb1174889"
    "c20f01ca31c0e61aeb00b90800000049b800f0ffffff7f00004c39c70f874b0100004929f84c39c10f873f010000"
    "4889f00f01cbf0480fb1174889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c70f87100100"
    "004929f84c39c10f87040100004889f00f01cb87074889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f"
    "00004c39c70f87d80000004929f84c39c10f87cc0000004889f00f01cbf00fc1074889c20f01ca31c0e61aeb00b9"
    "0400000049b800f0ffffff7f00004c39c70f879e0000004929f84c39c10f87920000004889f00f01cb8b0789c209"
    "f2f00fb11775f64889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c777604929f84c39c177"
    "584889f00f01cb8b0789c221f2f00fb11775f64889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f0000"
    "4c39c777264929f84c39c1771e4889f00f01cb8b0789c231f2f00fb11775f64889c20f01ca31c0e61aeb000f01ca"
    "48c7c0f2ffffffe61aeb00488b074889c231c0e61aeb00480fae0731c0e61aeb00480fae0f31c0e61aeb00dbe3e6"
    "1aeb0090e61aeb00fbf4ebfc"
)
"""What entry.S assembles to at layout.TEXT."""

VSYSCALL_HEX: Final = (
    "b8600000000f05c3cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "ccccccccccccccccccccccccb8c90000000f05c3cccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    "ccccccccccccccccccccccccccccccccccccccccccccccccb8350100000f05c3"
)
"""The vsyscall page, to be filled up with INT3 (0xCC)."""

SYMBOLS: Final = {
    "entry_syscall": 0x0,
    "return_sysret": 0x57,
    "way_out_sysret": 0x8A,
    "entry_sysenter": 0x8D,
    "return_sysexit": 0xD6,
    "way_out_sysexit": 0x108,
    "entry_int80": 0x10A,
    "entry_call_gate": 0x132,
    "return_far": 0x173,
    "way_out_far": 0x1A7,
    "entry_start": 0x1A9,
    "return_full": 0x1AD,
    "way_out_iret": 0x1D3,
    "exception_0": 0x1D5,
    "exception_1": 0x1E3,
    "exception_2": 0x203,
    "exception_3": 0x211,
    "exception_4": 0x21F,
    "exception_5": 0x22D,
    "exception_6": 0x23B,
    "exception_7": 0x249,
    "exception_8": 0x257,
    "exception_9": 0x263,
    "exception_10": 0x271,
    "exception_11": 0x27D,
    "exception_12": 0x289,
    "exception_13": 0x295,
    "exception_14": 0x2A1,
    "exception_15": 0x2AD,
    "exception_16": 0x2BB,
    "exception_17": 0x2C9,
    "exception_18": 0x2D5,
    "exception_19": 0x2E3,
    "exception_20": 0x2F1,
    "exception_21": 0x2FF,
    "exception_22": 0x30B,
    "exception_23": 0x319,
    "exception_24": 0x327,
    "exception_25": 0x335,
    "exception_26": 0x343,
    "exception_27": 0x34E,
    "exception_28": 0x359,
    "exception_29": 0x364,
    "exception_30": 0x36D,
    "exception_31": 0x376,
    "irq_0": 0x419,
    "irq_1": 0x427,
    "irq_2": 0x435,
    "irq_3": 0x443,
    "irq_4": 0x451,
    "irq_5": 0x45C,
    "irq_6": 0x467,
    "irq_7": 0x472,
    "irq_8": 0x47D,
    "irq_9": 0x488,
    "irq_10": 0x493,
    "irq_11": 0x49E,
    "irq_12": 0x4A9,
    "irq_13": 0x4B4,
    "irq_14": 0x4BF,
    "irq_15": 0x4CA,
    "copy_from_user": 0x504,
    "copy_from_user_checked": 0x530,
    "copy_to_user": 0x5CC,
    "copy_to_user_checked": 0x5F0,
    "clear_user": 0x693,
    "copy_string_from_user": 0x6DE,
    "get_user_32": 0x78E,
    "get_user_64": 0x7C6,
    "put_user_32": 0x7FF,
    "put_user_64": 0x837,
    "cmpxchg_user_32": 0x870,
    "cmpxchg_user_64": 0x8AA,
    "xchg_user_32": 0x8E5,
    "add_user_32": 0x91D,
    "or_user_32": 0x957,
    "and_user_32": 0x999,
    "xor_user_32": 0x9D3,
    "peek_outside_window": 0xA1B,
    "save_fpu": 0xA27,
    "restore_fpu": 0xA31,
    "clear_fpu": 0xA3B,
    "breathe": 0xA41,
    "idle": 0xA46,
    "text_end": 0xA4A,
}
"""name -> offset in the text."""

EXCEPTION_TABLE: Final = (
    (0x540, 0x5AE, 0x5B3),
    (0x5B3, 0x5C2, 0x5C2),
    (0x600, 0x66E, 0x673),
    (0x673, 0x682, 0x682),
    (0x6B8, 0x6C5, 0x6C5),
    (0x6CA, 0x6D4, 0x6D4),
    (0x729, 0x751, 0x756),
    (0x756, 0x758, 0x780),
    (0x7B8, 0x7BA, 0xA0D),
    (0x7F0, 0x7F3, 0xA0D),
    (0x829, 0x82B, 0xA0D),
    (0x861, 0x864, 0xA0D),
    (0x89A, 0x89E, 0xA0D),
    (0x8D4, 0x8D9, 0xA0D),
    (0x90F, 0x911, 0xA0D),
    (0x947, 0x94B, 0xA0D),
    (0x981, 0x98D, 0xA0D),
    (0x9BB, 0x9C7, 0xA0D),
    (0x9F5, 0xA01, 0xA0D),
    (0xA1B, 0xA1E, 0xA0D),
    (0xA31, 0xA35, 0xA0D),
)
"""(start, end, fixup), offsets in the text: a fault at start <= rip < end that
cannot be served continues at fixup."""
