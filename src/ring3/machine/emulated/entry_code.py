"""The ring-0 text. Generated from entry.S by tools/entry.py; do not edit."""

from __future__ import annotations

from ring3.abi.hints import Final

TEXT_HEX: Final = (
    "909090909090909090909090900f01f865488924250800000065488b2425000000006a2b65ff3425080000004153"
    "6a335150575652516ada415041514152415353554154415541564157fcfbe610fa84c00f8551010000415f415e41"
    "5d415c5d5b4883c408415a41594158584883c4085a5e5f488b4c24084c8b5c2418488b6424200f01f8480f070f01"
    "f865488b24250000000089c089ed6a2b559c48810c24000200006a029d6a236a0050575652516ada415041514152"
    "415353554154415541564157fcfbe611fa84c00f85d7000000415f415e415d415c5d5b415b415a4159415858595a"
    "5e5f488b542408488b4c24204883c41848812424fffdffff9d0f01f8fb0f350f01ca0f01f889c050575652516ada"
    "415041514152415353554154415541564157fcfbe612faeb7b9c6a029d0f01f850488b4424084887442418488744"
    "24104889442408488b0424575652516ada415041514152415353554154415541564157fcfbe613fa84c0753a415f"
    "415e415d415c5d5b415b415a4159415858595a5e5f48890424488b44241848874424084887442410488944241858"
    "0f01f89d48cbe61beb00fa415f415e415d415c5d5b415b415a4159415858595a5e5ff64424100374030f01f84883"
    "c40848cf6a005756be00000000e9e2010000f644240803750b4881642410fffeffff48cf6a005756be01000000e9"
    "c20100006a005756be02000000e9b40100006a005756be03000000e9a60100006a005756be04000000e998010000"
    "6a005756be05000000e98a0100006a005756be06000000e97c0100006a005756be07000000e96e0100005756be08"
    "000000e9620100006a005756be09000000e9540100005756be0a000000e9480100005756be0b000000e93c010000"
    "5756be0c000000e9300100005756be0d000000e9240100005756be0e000000e9180100006a005756be0f000000e9"
    "0a0100006a005756be10000000e9fc0000005756be11000000e9f00000006a005756be12000000e9e20000006a00"
    "5756be13000000e9d40000006a005756be14000000e9c60000005756be15000000e9ba0000006a005756be160000"
    "00e9ac0000006a005756be17000000e99e0000006a005756be18000000e9900000006a005756be19000000e98200"
    "00006a005756be1a000000eb776a005756be1b000000eb6c6a005756be1c000000eb615756be1d000000eb585756"
    "be1e000000eb4f6a005756be1f000000eb440f01f850488b7c2438488b442418488947f8488b442410488947f048"
    "8b442408488947e858488d67e8525150415041514152415353554154415541564157fc0f01caeb4b48817c2418ce"
    "01008174b1525150415041514152415353554154415541564157fc0f01caf68424880000000374030f01f883fe0e"
    "75150f20d2f6842491000000027408fbe618e99dfdffffe618eb00e994fdffff6aff5756be20000000e9ae000000"
    "6aff5756be21000000e9a00000006aff5756be22000000e9920000006aff5756be23000000e9840000006aff5756"
    "be24000000eb796aff5756be25000000eb6e6aff5756be26000000eb636aff5756be27000000eb586aff5756be28"
    "000000eb4d6aff5756be29000000eb426aff5756be2a000000eb376aff5756be2b000000eb2c6aff5756be2c0000"
    "00eb216aff5756be2d000000eb166aff5756be2e000000eb0b6aff5756be2f000000eb0052515041504151415241"
    "5353554154415541564157fc0f01caf68424880000000374030f01f8e619eb00e9a9fcffff49b800f0ffffff7f00"
    "004c39c60f876a0100004929f04c39c20f875e01000066904889d10f01cb4883f94072540f1f4000488b064c8b46"
    "084c8b4e104c8b56184889074c8947084c894f104c895718488b46204c8b46284c8b4e304c8b5638488947204c89"
    "47284c894f304c8957384883c6404883c7404883e9404883f94073b04883f9087218488b064889074883c6084883"
    "c7084883e9084883f90873e84885c9740f8a06880748ffc648ffc748ffc975f10f01ca4889c8e61aeb0049b800f0"
    "ffffff7f00004c39c70f87ad0000004929f84c39c20f87a10000000f1f4400004889d10f01cb4883f94072540f1f"
    "4000488b064c8b46084c8b4e104c8b56184889074c8947084c894f104c895718488b46204c8b46284c8b4e304c8b"
    "5638488947204c8947284c894f304c8957384883c6404883c7404883e9404883f94073b04883f9087218488b0648"
    "89074883c6084883c7084883e9084883f90873e84885c9740f8a06880748ffc648ffc748ffc975f10f01ca4889c8"
    "e61aeb004889d0e61aeb0049b800f0ffffff7f00004c39c777ea4929f84c39c277e24889d131c00f01cb4883f908"
    "720d4889074883c7084883e908ebed4885c9740a880748ffc748ffc975f60f01ca4889c8e61aeb0049b800f0ffff"
    "ff7f00004531db49ffcb4c39c60f83890000004929f04c39c2760a4c89c249c7c3f2ffffff4889f949b901010101"
    "0101010149ba80808080808080800f01cb4883fa087228488b064989c04d29c848f7d04921c048f7d04d85d07511"
    "4889074883c6084883c7084883ea08ebd24885d274138a06880784c0741548ffc648ffc748ffca75ed0f01ca4c89"
    "d8e61aeb000f01ca4889f84829c8e61aeb000f01ca48c7c0f2ffffffe61aeb00b90400000049b800f0ffffff7f00"
    "004c39c70f87670200004929f84c39c10f875b0200004889f00f01cb8b074889c20f01ca31c0e61aeb00b9080000"
    "0049b800f0ffffff7f00004c39c70f872f0200004929f84c39c10f87230200004889f00f01cb488b074889c20f01"
    "ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c70f87f60100004929f84c39c10f87ea0100004889f0"
    "0f01cb89374889c20f01ca31c0e61aeb00b90800000049b800f0ffffff7f00004c39c70f87be0100004929f84c39"
    "c10f87b20100004889f00f01cb4889374889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c7"
    "0f87850100004929f84c39c10f87790100004889f00f01cbf00fb1174889c20f01ca31c0e61aeb00b90800000049"
    "b800f0ffffff7f00004c39c70f874b0100004929f84c39c10f873f0100004889f00f01cbf0480fb1174889c20f01"
    "ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c70f87100100004929f84c39c10f87040100004889f0"
    "0f01cb87074889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c70f87d80000004929f84c39"
    "c10f87cc0000004889f00f01cbf00fc1074889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39"
    "c70f879e0000004929f84c39c10f87920000004889f00f01cb8b0789c209f2f00fb11775f64889c20f01ca31c0e6"
    "1aeb00b90400000049b800f0ffffff7f00004c39c777604929f84c39c177584889f00f01cb8b0789c221f2f00fb1"
    "1775f64889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c777264929f84c39c1771e4889f0"
    "0f01cb8b0789c231f2f00fb11775f64889c20f01ca31c0e61aeb000f01ca48c7c0f2ffffffe61aeb00488b074889"
    "c231c0e61aeb00480fae0731c0e61aeb00480fae0f31c0e61aeb00dbe3e61aeb0090e61aeb00fbf4ebfc"
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
    "way_out_sysret": 0x85,
    "entry_sysenter": 0x88,
    "return_sysexit": 0xD1,
    "way_out_sysexit": 0x103,
    "entry_int80": 0x105,
    "entry_call_gate": 0x12D,
    "return_far": 0x16E,
    "way_out_far": 0x1A2,
    "entry_start": 0x1A4,
    "return_full": 0x1A8,
    "way_out_iret": 0x1CE,
    "exception_0": 0x1D0,
    "exception_1": 0x1DE,
    "exception_2": 0x1FE,
    "exception_3": 0x20C,
    "exception_4": 0x21A,
    "exception_5": 0x228,
    "exception_6": 0x236,
    "exception_7": 0x244,
    "exception_8": 0x252,
    "exception_9": 0x25E,
    "exception_10": 0x26C,
    "exception_11": 0x278,
    "exception_12": 0x284,
    "exception_13": 0x290,
    "exception_14": 0x29C,
    "exception_15": 0x2A8,
    "exception_16": 0x2B6,
    "exception_17": 0x2C4,
    "exception_18": 0x2D0,
    "exception_19": 0x2DE,
    "exception_20": 0x2EC,
    "exception_21": 0x2FA,
    "exception_22": 0x306,
    "exception_23": 0x314,
    "exception_24": 0x322,
    "exception_25": 0x330,
    "exception_26": 0x33E,
    "exception_27": 0x349,
    "exception_28": 0x354,
    "exception_29": 0x35F,
    "exception_30": 0x368,
    "exception_31": 0x371,
    "irq_0": 0x414,
    "irq_1": 0x422,
    "irq_2": 0x430,
    "irq_3": 0x43E,
    "irq_4": 0x44C,
    "irq_5": 0x457,
    "irq_6": 0x462,
    "irq_7": 0x46D,
    "irq_8": 0x478,
    "irq_9": 0x483,
    "irq_10": 0x48E,
    "irq_11": 0x499,
    "irq_12": 0x4A4,
    "irq_13": 0x4AF,
    "irq_14": 0x4BA,
    "irq_15": 0x4C5,
    "copy_from_user": 0x4FF,
    "copy_from_user_checked": 0x520,
    "copy_to_user": 0x5BC,
    "copy_to_user_checked": 0x5E0,
    "clear_user": 0x683,
    "copy_string_from_user": 0x6CE,
    "get_user_32": 0x77E,
    "get_user_64": 0x7B6,
    "put_user_32": 0x7EF,
    "put_user_64": 0x827,
    "cmpxchg_user_32": 0x860,
    "cmpxchg_user_64": 0x89A,
    "xchg_user_32": 0x8D5,
    "add_user_32": 0x90D,
    "or_user_32": 0x947,
    "and_user_32": 0x989,
    "xor_user_32": 0x9C3,
    "peek_outside_window": 0xA0B,
    "save_fpu": 0xA17,
    "restore_fpu": 0xA21,
    "clear_fpu": 0xA2B,
    "breathe": 0xA31,
    "idle": 0xA36,
    "text_end": 0xA3A,
}
"""name -> offset in the text."""

EXCEPTION_TABLE: Final = (
    (0x530, 0x59E, 0x5A3),
    (0x5A3, 0x5B2, 0x5B2),
    (0x5F0, 0x65E, 0x663),
    (0x663, 0x672, 0x672),
    (0x6A8, 0x6B5, 0x6B5),
    (0x6BA, 0x6C4, 0x6C4),
    (0x719, 0x741, 0x746),
    (0x746, 0x748, 0x770),
    (0x7A8, 0x7AA, 0x9FD),
    (0x7E0, 0x7E3, 0x9FD),
    (0x819, 0x81B, 0x9FD),
    (0x851, 0x854, 0x9FD),
    (0x88A, 0x88E, 0x9FD),
    (0x8C4, 0x8C9, 0x9FD),
    (0x8FF, 0x901, 0x9FD),
    (0x937, 0x93B, 0x9FD),
    (0x971, 0x97D, 0x9FD),
    (0x9AB, 0x9B7, 0x9FD),
    (0x9E5, 0x9F1, 0x9FD),
    (0xA0B, 0xA0E, 0x9FD),
    (0xA21, 0xA25, 0x9FD),
)
"""(start, end, fixup), offsets in the text: a fault at start <= rip < end that
cannot be served continues at fixup."""
