"""The ring-0 text. Generated from entry.S by tools/entry.py; do not edit."""

from __future__ import annotations

from ring3.abi.hints import Final

TEXT_HEX: Final = (
    "0f01f865488924250800000065488b2425000000006a2b65ff34250800000041536a335150575652516ada415041"
    "514152415353554154415541564157fcfbe610fa84c00f8552010000415f415e415d415c5d5b4883c408415a4159"
    "4158584883c4085a5e5f488b4c24084c8b5c2418488b6424200f01f8480f070f01f865488b24250000000089c089"
    "ed6a2b559c48810c24000200000f01ca6a236a0050575652516ada415041514152415353554154415541564157fc"
    "fbe611fa84c00f85d8000000415f415e415d415c5d5b415b415a4159415858595a5e5f488b542408488b4c242048"
    "83c41848812424fffdffff9d0f01f8fb0f350f01ca0f01f889c050575652516ada41504151415241535355415441"
    "5541564157fcfbe612faeb7c9cfa0f01ca0f01f850488b442408488744241848874424104889442408488b042457"
    "5652516ada415041514152415353554154415541564157fcfbe613fa84c0753a415f415e415d415c5d5b415b415a"
    "4159415858595a5e5f48890424488b442418488744240848874424104889442418580f01f89d48cbe61beb00fa41"
    "5f415e415d415c5d5b415b415a4159415858595a5e5ff64424100374030f01f84883c40848cf6a005756be000000"
    "00e9770100006a005756be01000000e9690100006a005756be02000000e95b0100006a005756be03000000e94d01"
    "00006a005756be04000000e93f0100006a005756be05000000e9310100006a005756be06000000e9230100006a00"
    "5756be07000000e9150100005756be08000000e9090100006a005756be09000000e9fb0000005756be0a000000e9"
    "ef0000005756be0b000000e9e30000005756be0c000000e9d70000005756be0d000000e9cb0000005756be0e0000"
    "00e9bf0000006a005756be0f000000e9b10000006a005756be10000000e9a30000005756be11000000e997000000"
    "6a005756be12000000e9890000006a005756be13000000eb7e6a005756be14000000eb735756be15000000eb6a6a"
    "005756be16000000eb5f6a005756be17000000eb546a005756be18000000eb496a005756be19000000eb3e6a0057"
    "56be1a000000eb336a005756be1b000000eb286a005756be1c000000eb1d5756be1d000000eb145756be1e000000"
    "eb0b6a005756be1f000000eb00525150415041514152415353554154415541564157fc0f01caf684248800000003"
    "74030f01f883fe0e75150f20d2f6842491000000027408fbe618e913feffffe618eb00e90afeffff6aff5756be20"
    "000000e9ae0000006aff5756be21000000e9a00000006aff5756be22000000e9920000006aff5756be23000000e9"
    "840000006aff5756be24000000eb796aff5756be25000000eb6e6aff5756be26000000eb636aff5756be27000000"
    "eb586aff5756be28000000eb4d6aff5756be29000000eb426aff5756be2a000000eb376aff5756be2b000000eb2c"
    "6aff5756be2c000000eb216aff5756be2d000000eb166aff5756be2e000000eb0b6aff5756be2f000000eb005251"
    "50415041514152415353554154415541564157fc0f01caf68424880000000374030f01f8e619eb00e91ffdffff49"
    "b800f0ffffff7f00004c39c60f876c0100004929f04c39c20f87600100000f1f40004889d10f01cb4883f9407254"
    "0f1f4000488b064c8b46084c8b4e104c8b56184889074c8947084c894f104c895718488b46204c8b46284c8b4e30"
    "4c8b5638488947204c8947284c894f304c8957384883c6404883c7404883e9404883f94073b04883f9087218488b"
    "064889074883c6084883c7084883e9084883f90873e84885c9740f8a06880748ffc648ffc748ffc975f10f01ca48"
    "89c8e61aeb0049b800f0ffffff7f00004c39c70f87ad0000004929f84c39c20f87a10000000f1f4400004889d10f"
    "01cb4883f94072540f1f4000488b064c8b46084c8b4e104c8b56184889074c8947084c894f104c895718488b4620"
    "4c8b46284c8b4e304c8b5638488947204c8947284c894f304c8957384883c6404883c7404883e9404883f94073b0"
    "4883f9087218488b064889074883c6084883c7084883e9084883f90873e84885c9740f8a06880748ffc648ffc748"
    "ffc975f10f01ca4889c8e61aeb004889d0e61aeb0049b800f0ffffff7f00004c39c777ea4929f84c39c277e24889"
    "d131c00f01cb4883f908720d4889074883c7084883e908ebed4885c9740a880748ffc748ffc975f60f01ca4889c8"
    "e61aeb0049b800f0ffffff7f00004531db49ffcb4c39c60f83890000004929f04c39c2760a4c89c249c7c3f2ffff"
    "ff4889f949b9010101010101010149ba80808080808080800f01cb4883fa087228488b064989c04d29c848f7d049"
    "21c048f7d04d85d075114889074883c6084883c7084883ea08ebd24885d274138a06880784c0741548ffc648ffc7"
    "48ffca75ed0f01ca4c89d8e61aeb000f01ca4889f84829c8e61aeb000f01ca48c7c0f2ffffffe61aeb00b9040000"
    "0049b800f0ffffff7f00004c39c70f87670200004929f84c39c10f875b0200004889f00f01cb8b074889c20f01ca"
    "31c0e61aeb00b90800000049b800f0ffffff7f00004c39c70f872f0200004929f84c39c10f87230200004889f00f"
    "01cb488b074889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c70f87f60100004929f84c39"
    "c10f87ea0100004889f00f01cb89374889c20f01ca31c0e61aeb00b90800000049b800f0ffffff7f00004c39c70f"
    "87be0100004929f84c39c10f87b20100004889f00f01cb4889374889c20f01ca31c0e61aeb00b90400000049b800"
    "f0ffffff7f00004c39c70f87850100004929f84c39c10f87790100004889f00f01cbf00fb1174889c20f01ca31c0"
    "e61aeb00b90800000049b800f0ffffff7f00004c39c70f874b0100004929f84c39c10f873f0100004889f00f01cb"
    "f0480fb1174889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c70f87100100004929f84c39"
    "c10f87040100004889f00f01cb87074889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c70f"
    "87d80000004929f84c39c10f87cc0000004889f00f01cbf00fc1074889c20f01ca31c0e61aeb00b90400000049b8"
    "00f0ffffff7f00004c39c70f879e0000004929f84c39c10f87920000004889f00f01cb8b0789c209f2f00fb11775"
    "f64889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c777604929f84c39c177584889f00f01"
    "cb8b0789c221f2f00fb11775f64889c20f01ca31c0e61aeb00b90400000049b800f0ffffff7f00004c39c7772649"
    "29f84c39c1771e4889f00f01cb8b0789c231f2f00fb11775f64889c20f01ca31c0e61aeb000f01ca48c7c0f2ffff"
    "ffe61aeb00488b074889c231c0e61aeb00480fae0731c0e61aeb00480fae0f31c0e61aeb00dbe3e61aeb0090e61a"
    "eb00fbf4ebfc"
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
    "return_sysret": 0x4A,
    "way_out_sysret": 0x78,
    "entry_sysenter": 0x7B,
    "return_sysexit": 0xC4,
    "way_out_sysexit": 0xF6,
    "entry_int80": 0xF8,
    "entry_call_gate": 0x120,
    "return_far": 0x162,
    "way_out_far": 0x196,
    "entry_start": 0x198,
    "return_full": 0x19C,
    "way_out_iret": 0x1C2,
    "exception_0": 0x1C4,
    "exception_1": 0x1D2,
    "exception_2": 0x1E0,
    "exception_3": 0x1EE,
    "exception_4": 0x1FC,
    "exception_5": 0x20A,
    "exception_6": 0x218,
    "exception_7": 0x226,
    "exception_8": 0x234,
    "exception_9": 0x240,
    "exception_10": 0x24E,
    "exception_11": 0x25A,
    "exception_12": 0x266,
    "exception_13": 0x272,
    "exception_14": 0x27E,
    "exception_15": 0x28A,
    "exception_16": 0x298,
    "exception_17": 0x2A6,
    "exception_18": 0x2B2,
    "exception_19": 0x2C0,
    "exception_20": 0x2CB,
    "exception_21": 0x2D6,
    "exception_22": 0x2DF,
    "exception_23": 0x2EA,
    "exception_24": 0x2F5,
    "exception_25": 0x300,
    "exception_26": 0x30B,
    "exception_27": 0x316,
    "exception_28": 0x321,
    "exception_29": 0x32C,
    "exception_30": 0x335,
    "exception_31": 0x33E,
    "irq_0": 0x392,
    "irq_1": 0x3A0,
    "irq_2": 0x3AE,
    "irq_3": 0x3BC,
    "irq_4": 0x3CA,
    "irq_5": 0x3D5,
    "irq_6": 0x3E0,
    "irq_7": 0x3EB,
    "irq_8": 0x3F6,
    "irq_9": 0x401,
    "irq_10": 0x40C,
    "irq_11": 0x417,
    "irq_12": 0x422,
    "irq_13": 0x42D,
    "irq_14": 0x438,
    "irq_15": 0x443,
    "copy_from_user": 0x47D,
    "copy_from_user_checked": 0x4A0,
    "copy_to_user": 0x53C,
    "copy_to_user_checked": 0x560,
    "clear_user": 0x603,
    "copy_string_from_user": 0x64E,
    "get_user_32": 0x6FE,
    "get_user_64": 0x736,
    "put_user_32": 0x76F,
    "put_user_64": 0x7A7,
    "cmpxchg_user_32": 0x7E0,
    "cmpxchg_user_64": 0x81A,
    "xchg_user_32": 0x855,
    "add_user_32": 0x88D,
    "or_user_32": 0x8C7,
    "and_user_32": 0x909,
    "xor_user_32": 0x943,
    "peek_outside_window": 0x98B,
    "save_fpu": 0x997,
    "restore_fpu": 0x9A1,
    "clear_fpu": 0x9AB,
    "breathe": 0x9B1,
    "idle": 0x9B6,
    "text_end": 0x9BA,
}
"""name -> offset in the text."""

EXCEPTION_TABLE: Final = (
    (0x4B0, 0x51E, 0x523),
    (0x523, 0x532, 0x532),
    (0x570, 0x5DE, 0x5E3),
    (0x5E3, 0x5F2, 0x5F2),
    (0x628, 0x635, 0x635),
    (0x63A, 0x644, 0x644),
    (0x699, 0x6C1, 0x6C6),
    (0x6C6, 0x6C8, 0x6F0),
    (0x728, 0x72A, 0x97D),
    (0x760, 0x763, 0x97D),
    (0x799, 0x79B, 0x97D),
    (0x7D1, 0x7D4, 0x97D),
    (0x80A, 0x80E, 0x97D),
    (0x844, 0x849, 0x97D),
    (0x87F, 0x881, 0x97D),
    (0x8B7, 0x8BB, 0x97D),
    (0x8F1, 0x8FD, 0x97D),
    (0x92B, 0x937, 0x97D),
    (0x965, 0x971, 0x97D),
    (0x98B, 0x98E, 0x97D),
    (0x9A1, 0x9A5, 0x97D),
)
"""(start, end, fixup), offsets in the text: a fault at start <= rip < end that
cannot be served continues at fixup."""
