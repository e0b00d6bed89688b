// Every CUPTI function that Rooftop calls, as a list for macros.
#pragma once

// Without one of these there is no timeline: a library that lacks one is too old.
#define ROOFTOP_CUPTI_REQUIRED(F)           \
  F(cuptiGetVersion)                        \
  F(cuptiGetResultString)                   \
  F(cuptiGetTimestamp)                      \
  F(cuptiActivityEnable)                    \
  F(cuptiActivityDisable)                   \
  F(cuptiActivityRegisterCallbacks)         \
  F(cuptiActivityGetNextRecord)             \
  F(cuptiActivityGetNumDroppedRecords)      \
  F(cuptiActivityFlushAll)                  \
  F(cuptiActivitySetAttribute)              \
  F(cuptiActivityGetAttribute)              \
  F(cuptiActivityPushExternalCorrelationId) \
  F(cuptiActivityPopExternalCorrelationId)  \
  F(cuptiSubscribe)                         \
  F(cuptiUnsubscribe)                       \
  F(cuptiEnableCallback)                    \
  F(cuptiGetCallbackName)                   \
  F(cuptiGetContextId)                      \
  F(cuptiGetDeviceId)                       \
  F(cuptiGetGraphNodeId)

// Null where the library does not have them: what needs them says so.
#define ROOFTOP_CUPTI_OPTIONAL(F)                 \
  F(cuptiSubscribe_v2)                            \
  F(cuptiGetErrorMessage)                         \
  F(cuptiActivityRegisterTimestampCallback)       \
  F(cuptiActivityEnableHWTrace)                   \
  F(cuptiActivityEnableDriverApi)                 \
  F(cuptiActivityEnableRuntimeApi)                \
  F(cuptiGetGraphId)                              \
  F(cuptiGetGraphExecId)                          \
  F(cuptiSetThreadIdType)                         \
  F(cuptiDeviceVirtualizationMode)                \
  F(cuptiProfilerInitialize)                      \
  F(cuptiProfilerDeInitialize)                    \
  F(cuptiProfilerDeviceSupported)                 \
  F(cuptiProfilerGetCounterAvailability)          \
  F(cuptiDeviceGetChipName)                       \
  F(cuptiProfilerHostInitialize)                  \
  F(cuptiProfilerHostDeinitialize)                \
  F(cuptiProfilerHostGetSupportedChips)           \
  F(cuptiProfilerHostGetBaseMetrics)              \
  F(cuptiProfilerHostGetSubMetrics)               \
  F(cuptiProfilerHostConfigAddMetrics)            \
  F(cuptiProfilerHostGetConfigImageSize)          \
  F(cuptiProfilerHostGetConfigImage)              \
  F(cuptiProfilerHostGetNumOfPasses)              \
  F(cuptiProfilerHostEvaluateToGpuValues)         \
  F(cuptiProfilerHostGetRangeName)                \
  F(cuptiRangeProfilerEnable)                     \
  F(cuptiRangeProfilerDisable)                    \
  F(cuptiRangeProfilerStart)                      \
  F(cuptiRangeProfilerStop)                       \
  F(cuptiRangeProfilerSetConfig)                  \
  F(cuptiRangeProfilerPushRange)                  \
  F(cuptiRangeProfilerPopRange)                   \
  F(cuptiRangeProfilerDecodeData)                 \
  F(cuptiRangeProfilerGetCounterDataSize)         \
  F(cuptiRangeProfilerCounterDataImageInitialize) \
  F(cuptiRangeProfilerGetCounterDataInfo)         \
  F(cuptiRangeProfilerCounterDataGetRangeInfo)    \
  F(cuptiPmSamplingGetCounterAvailability)        \
  F(cuptiPmSamplingEnable)                        \
  F(cuptiPmSamplingDisable)                       \
  F(cuptiPmSamplingSetConfig)                     \
  F(cuptiPmSamplingStart)                         \
  F(cuptiPmSamplingStop)                          \
  F(cuptiPmSamplingGetCounterDataSize)            \
  F(cuptiPmSamplingCounterDataImageInitialize)    \
  F(cuptiPmSamplingDecodeData)                    \
  F(cuptiPmSamplingGetCounterDataInfo)            \
  F(cuptiPmSamplingCounterDataGetSampleInfo)
