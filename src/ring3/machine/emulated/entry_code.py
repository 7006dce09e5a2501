"""The ring-0 text. Generated from entry.S by tools/entry.py; do not edit."""

from __future__ import annotations

from ring3.abi.hints import Final

TEXT_HEX: Final = (
    "909090909090909090909090900f01f865488924250800000065488b2425000000006a2b65ff3425080000004153"
    "6a335150575652516ada415041514152415353554154415541564157fcfbe610fa84c00f8563010000415f415e41"
    "5d415c5d5b4883c408415a41594158584883c4085a5e5f488b4c24084c8b5c2418490fbaf311488b6424200f01f8"
    "480f07909090909090909090909090900f01f865488b24250000000089c089ed6a2b559c48810c24000200006a02"
    "9d6a236a0050575652516ada415041514152415353554154415541564157fcfbe611fa84c00f85d7000000415f41"
    "5e415d415c5d5b415b415a4159415858595a5e5f488b542408488b4c24204883c41848812424fffdffff9d0f01f8"
    "fb0f350f01ca0f01f889c050575652516ada415041514152415353554154415541564157fcfbe612faeb7b9c6a02"
    "9d0f01f850488b442408488744241848874424104889442408488b0424575652516ada4150415141524153535541"
    "54415541564157fcfbe613fa84c0753a415f415e415d415c5d5b415b415a4159415858595a5e5f48890424488b44"
    "2418488744240848874424104889442418580f01f89d48cbe61beb00fa415f415e415d415c5d5b415b415a415941"
    "5858595a5e5ff64424100374030f01f84883c40848cf6a005756be00000000e9e2010000f644240803750b488164"
    "2410fffeffff48cf6a005756be01000000e9c20100006a005756be02000000e9b40100006a005756be03000000e9"
    "a60100006a005756be04000000e9980100006a005756be05000000e98a0100006a005756be06000000e97c010000"
    "6a005756be07000000e96e0100005756be08000000e9620100006a005756be09000000e9540100005756be0a0000"
    "00e9480100005756be0b000000e93c0100005756be0c000000e9300100005756be0d000000e9240100005756be0e"
    "000000e9180100006a005756be0f000000e90a0100006a005756be10000000e9fc0000005756be11000000e9f000"
    "00006a005756be12000000e9e20000006a005756be13000000e9d40000006a005756be14000000e9c60000005756"
    "be15000000e9ba0000006a005756be16000000e9ac0000006a005756be17000000e99e0000006a005756be180000"
    "00e9900000006a005756be19000000e9820000006a005756be1a000000eb776a005756be1b000000eb6c6a005756"
    "be1c000000eb615756be1d000000eb585756be1e000000eb4f6a005756be1f000000eb440f01f850488b7c243848"
    "8b442418488947f8488b442410488947f0488b442408488947e858488d67e8525150415041514152415353554154"
    "415541564157fc0f01caeb4b48817c2418e001008174b1525150415041514152415353554154415541564157fc0f"
    "01caf68424880000000374030f01f883fe0e75150f20d2f6842491000000027408fbe618e99dfdffffe618eb00e9"
    "94fdffff6aff5756be20000000e9ae0000006aff5756be21000000e9a00000006aff5756be22000000e992000000"
    "6aff5756be23000000e9840000006aff5756be24000000eb796aff5756be25000000eb6e6aff5756be26000000eb"
    "636aff5756be27000000eb586aff5756be28000000eb4d6aff5756be29000000eb426aff5756be2a000000eb376a"
    "ff5756be2b000000eb2c6aff5756be2c000000eb216aff5756be2d000000eb166aff5756be2e000000eb0b6aff57"
    "56be2f000000eb00525150415041514152415353554154415541564157fc0f01caf68424880000000374030f01f8"
    "e619eb00e9a9fcffff49b800f0ffffff7f00004c39c60f87680100004929f04c39c20f875c0100004889d10f01cb"
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
    "return_sysexit": 0xE3,
    "way_out_sysexit": 0x115,
    "entry_int80": 0x117,
    "entry_call_gate": 0x13F,
    "return_far": 0x180,
    "way_out_far": 0x1B4,
    "entry_start": 0x1B6,
    "return_full": 0x1BA,
    "way_out_iret": 0x1E0,
    "exception_0": 0x1E2,
    "exception_1": 0x1F0,
    "exception_2": 0x210,
    "exception_3": 0x21E,
    "exception_4": 0x22C,
    "exception_5": 0x23A,
    "exception_6": 0x248,
    "exception_7": 0x256,
    "exception_8": 0x264,
    "exception_9": 0x270,
    "exception_10": 0x27E,
    "exception_11": 0x28A,
    "exception_12": 0x296,
    "exception_13": 0x2A2,
    "exception_14": 0x2AE,
    "exception_15": 0x2BA,
    "exception_16": 0x2C8,
    "exception_17": 0x2D6,
    "exception_18": 0x2E2,
    "exception_19": 0x2F0,
    "exception_20": 0x2FE,
    "exception_21": 0x30C,
    "exception_22": 0x318,
    "exception_23": 0x326,
    "exception_24": 0x334,
    "exception_25": 0x342,
    "exception_26": 0x350,
    "exception_27": 0x35B,
    "exception_28": 0x366,
    "exception_29": 0x371,
    "exception_30": 0x37A,
    "exception_31": 0x383,
    "irq_0": 0x426,
    "irq_1": 0x434,
    "irq_2": 0x442,
    "irq_3": 0x450,
    "irq_4": 0x45E,
    "irq_5": 0x469,
    "irq_6": 0x474,
    "irq_7": 0x47F,
    "irq_8": 0x48A,
    "irq_9": 0x495,
    "irq_10": 0x4A0,
    "irq_11": 0x4AB,
    "irq_12": 0x4B6,
    "irq_13": 0x4C1,
    "irq_14": 0x4CC,
    "irq_15": 0x4D7,
    "copy_from_user": 0x511,
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
