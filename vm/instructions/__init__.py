"""The inference instructions, each in labelled parts: stack, gas, operation, result.

call        what all of them share: price, checks, execution, failure
infer       0xc0 INFER, input from memory
inferarray  0xc1 INFERARRAY, input from storage
inferdata   0xc2 INFERDATA, input from a data object on chain
modelgas    0xc4 MODELGAS, the price of a call
contract    the same at 0x…a110 for callers without the opcodes
"""
